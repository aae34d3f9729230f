"""What the rooms share: the domain, the settings, the database, the payment provider and the commands."""
