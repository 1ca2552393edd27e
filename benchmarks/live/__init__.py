"""The rows of the live centre: the log, the history, following and serving."""
