"""What the product's processes agree on about Temporal: its names, how to connect, how often a worker polls.

Workflows, activities and the API import from here, and none of them invents a name of its own. What has to exist in a
namespace before they run is made in `checkout.provisioning`.
"""
