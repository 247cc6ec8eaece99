"""The offline stand-in for the paid APIs: no account, no keys, no network.

A local HTTP server that speaks the parts of the providers' APIs that Headway's pipelines use, reached by the
providers' own client libraries through their base-URL settings. Its answers are computed from what it is
sent, it can be told to fail, and all that it produces is labelled as its own. For development and tests.
"""
