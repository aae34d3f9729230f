"""What the shop means by a checkout: money, states, requests and views. Imports the standard library alone."""
