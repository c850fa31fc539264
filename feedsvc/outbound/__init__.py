"""What the service sends: webhooks to partners.

Must not know files or the web's side. No private address is ever connected to.
Open `webhooks` first; `http_client` is how all of it goes out.
"""
