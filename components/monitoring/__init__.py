"""Components for alarms, the SNS topic they notify, and the functions that publish metrics."""
