"""What a unit of work costs in calls, instructions and garbage, which are the same on each run, beside what it may cost.

Processor time differs by a tenth between two runs on the same machine, so it cannot guard a change of a hundredth. What is
counted here can.
"""
