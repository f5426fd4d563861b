"""Studies: many trainings of one question, restartable, with tables and figures at their end."""
