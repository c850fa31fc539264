-- For wrk: no two requests are the same, as when very many readers poll once each.
local number = 0

function request()
  number = number + 1
  wrk.headers["User-Agent"] = "reader/" .. number
  return wrk.format(nil, nil)
end
