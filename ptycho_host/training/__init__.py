"""Training as every engine does it: which patterns, which rate, when to save, when to go back, when to stop.

An engine supplies the steps on its tensor library (`ptycho_host.training.loop.TrainingSteps`); the rest is here once.
"""
