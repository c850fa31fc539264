"""`feedsvc serve`: uvicorn workers and the process that supervises them. Knows no rule of feeds."""
