"""The rows of the twin: solvers, filter, calibration, battery and replay."""
