"""Files of Ptychodus: products with their diffraction data, training data, its export for PtychoPINN."""
