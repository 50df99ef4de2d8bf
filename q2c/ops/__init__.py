"""What whoever runs q2c asks it: does it answer, is it ready, how is it doing.

GET /healthz   200 while the process answers; asks nobody else
GET /readyz    200 when all that the flow needs is there; 503 with each name and why. ?within=12: signs of life of the
               last so many seconds count, for who has just started it all
GET /metrics   for Prometheus: counters of this machine's processes, business figures read as they are scraped
"""
