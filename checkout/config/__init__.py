"""The settings that the product's processes read from the environment, checked before anything starts.

Every group of settings is read once into a frozen object and passed on from there, so no other room reads the
environment. The settings of the sandbox provider belong to `checkout_lab.sandbox`.
"""
