"""Admission: which requests are let in, and which are refused because of load, before anything is done for them.

Who is calling does not belong here (`api.http.auth`), nor whether a checkout allows an action (the workflow decides).
"""
