"""Faster operators for the CPU: oneDNN's, in C++, forward and backward."""
