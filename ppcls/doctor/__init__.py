"""Finds what is wrong with a data set before an hour of training is lost on it: `ppcls data check`."""
