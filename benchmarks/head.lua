-- For wrk: what GET would be answered with, without its body.
wrk.method = "HEAD"
