"""What is wrong with a data set: measured once, kept in an index, and told as findings."""
