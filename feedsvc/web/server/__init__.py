"""`feedsvc serve`: uvicorn workers and their parent. Must not know a feed's rules. Open `protocol` first."""
