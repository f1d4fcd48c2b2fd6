"""Networks as files for other runtimes, each with a certificate of what they compute there (extra ``[export]``)."""
