"""What is wrong with a data set: measured once, kept in an index, said as findings."""
