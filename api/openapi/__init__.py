"""What FastAPI cannot know of the OpenAPI document: response headers, problems by their codes, and examples.

What concerns one route does not belong here: it is declared at the route.
"""
