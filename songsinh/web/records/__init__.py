"""Questions to the records that pages and the API share; answers are frozen rows.

Times are whole microseconds since 1970 (UTC). `names` are the twins that somebody may see;
None stands for all.
"""

from songsinh.web.records.cards import read_card
from songsinh.web.records.feeds import (
    MASK,
    RefusalRow,
    SourceRow,
    add_source,
    edit_source,
    list_refusals,
    list_sources,
    masked,
    read_source,
)
from songsinh.web.records.inbox import (
    Action,
    AlertRow,
    Remark,
    act_on_alert,
    count_alerts,
    list_alerts,
    read_alert,
    read_remarks,
)
from songsinh.web.records.ledger import AuditRow, list_audit
from songsinh.web.records.machines import (
    SEVERITIES,
    SignalRow,
    TwinRow,
    add_twin,
    edit_twin,
    list_twins,
    read_twin,
    twin_signals,
)
from songsinh.web.records.outlooks import (
    BeliefRow,
    ForecastRow,
    ScoreRow,
    list_beliefs,
    list_forecasts,
    list_scores,
    newest_beliefs,
    read_forecast,
)
from songsinh.web.records.paging import LARGEST, MOST, Page

__all__ = [
    "LARGEST",
    "MASK",
    "MOST",
    "SEVERITIES",
    "Action",
    "AlertRow",
    "AuditRow",
    "BeliefRow",
    "ForecastRow",
    "Page",
    "RefusalRow",
    "Remark",
    "ScoreRow",
    "SignalRow",
    "SourceRow",
    "TwinRow",
    "act_on_alert",
    "add_source",
    "add_twin",
    "count_alerts",
    "edit_source",
    "edit_twin",
    "list_alerts",
    "list_audit",
    "list_beliefs",
    "list_forecasts",
    "list_refusals",
    "list_scores",
    "list_sources",
    "list_twins",
    "masked",
    "newest_beliefs",
    "read_alert",
    "read_card",
    "read_forecast",
    "read_remarks",
    "read_source",
    "read_twin",
    "twin_signals",
]
