"""The cluster: client and authentication, differences of the products, templates, the reader."""
