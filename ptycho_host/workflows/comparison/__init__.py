"""The parts of `compare`: what is compared, by what it is judged, what makes a row, and what is written."""
