"""What the service sends: webhooks to partners.

Must not know files or `web`. It connects to private addresses only where a partner's setting allows that.
Open `webhooks` first; all requests go out through `http_client`.
"""
