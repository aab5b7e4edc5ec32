"""What the black-box tests share: the instance, clients, data and tables."""
