"""What runs inside Ptychodus: the library `ptycho-host` with one reconstructor for each installed generator."""
