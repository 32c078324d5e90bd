"""Networks: their layout, their training and their shipped weights. The only room that knows torch."""
