"""What runs in the Redis server: check what a step relied on, then change sums and texts; or tell.

The server knows nothing of the ledger's law. It compares texts, adds up sums, compares them with
figures it is given, and changes all or nothing: every check and every read comes before the first
write, and no write that follows can fail.

Under the prefix:
    schema            which layout this is
    keys              the last key given to an account; a tree is known by its root's
    ids               a ledger's id -> ROOT:KEY of its account
    tree:ROOT         of each account: KEY:id, KEY:up (its parent), KEY:meta (what never changes),
                      KEY:state and KEY:sums; and of the tree: seq (the last place given), seen (the
                      time of the last change), claim and until (who is let pass first, until when)
    below:KEY         the keys of the accounts right below
    entries:KEY       place -> a request or a note, as rows.py writes it
    leases:ROOT       KEY:PLACE of the open holds, by the end of their leases
    owners:ROOT       KEY:PLACE of the open holds -> whose process
    counts:KEY        a tool call -> how often it was made
    called:KEY        the tool calls, by when they were last made
    last:SESSION      the last commit of one process and what it was answered, for an hour

Ids are JSON strings here, like all other text.
"""

# Marks the layout above.
SCHEMA = 1

# One request, answered by what became of it and the server's time.
STEP = r"""
local prefix, q = KEYS[1], cjson.decode(ARGV[1])
local clock = redis.call('TIME')
local time = clock[1] + clock[2] / 1e6
local EXACT = 2 ^ 50  -- doubles, and sums of several, are exact up to here

local function told(status, ...)
  return {status, clock[1], clock[2], ...}
end

local found
if q.find then
  local place = redis.call('HGET', prefix .. 'ids', q.find)
  if not place then return told('none') end
  q.root, found = string.match(place, '^(%d+):(%d+)$')
  q.path = {found}
end

local c, root = q.commit, q.root
local entries, below, counts = prefix .. 'entries:', prefix .. 'below:', prefix .. 'counts:'
local tree, leases, owners = prefix .. 'tree:' .. root, prefix .. 'leases:' .. root, prefix .. 'owners:' .. root

-- How things stand, of all that is asked for.
local function rows(status)
  local known, gone, accounts, records, numbers, held = {}, false, {}, {}, {}, {}
  local function load(key)
    key = tostring(key)
    while key ~= '' and not known[key] do
      known[key] = true
      local row = redis.call('HMGET', tree, key .. ':up', key .. ':meta', key .. ':state', key .. ':sums')
      if not row[1] then gone = true return end
      accounts[#accounts + 1] = {key, row[1], row[2], row[3], row[4]}
      key = row[1]
    end
  end
  local listed = {}
  local function list(key, place, text)
    local member = key .. ':' .. place
    if text and not listed[member] then
      listed[member] = true
      records[#records + 1] = {key, place, text}
    end
  end
  local function entry(key, place)
    load(key)
    list(key, place, redis.call('HGET', entries .. key, place))
  end
  local seen = math.max(q.now, tonumber(redis.call('HGET', tree, 'seen') or '') or 0)
  for _, key in ipairs(q.path) do load(key) end
  for _, e in ipairs(q.entries or {}) do entry(e[1], e[2]) end
  for _, member in ipairs(redis.call('ZRANGE', leases, '-inf', seen, 'BYSCORE')) do
    local key, place = string.match(member, '^(%d+):(%d+)$')
    if key then entry(key, place) end
  end
  for _, want in ipairs(q.below or {}) do
    local level, depth = {want[1]}, want[2]
    while #level > 0 do
      local deeper = {}
      for _, key in ipairs(level) do
        load(key)
        if want[3] then
          local all = redis.call('HGETALL', entries .. key)
          for i = 1, #all, 2 do list(key, all[i], all[i + 1]) end
        end
        if depth > 0 then
          for _, child in ipairs(redis.call('LRANGE', below .. key, 0, -1)) do deeper[#deeper + 1] = child end
        end
      end
      level, depth = deeper, depth - 1
    end
  end
  for _, want in ipairs(q.counts or {}) do
    numbers[#numbers + 1] = {want[1], want[2], redis.call('HGET', counts .. want[1], want[2]) or '0'}
  end
  if q.owners then held = redis.call('HGETALL', owners) end
  if gone then return told('gone') end
  return told(status, string.format('%.17g', seen), root, accounts, records, numbers, held, found)
end

if not c then return rows('rows') end

-- A commit whose answer was lost is answered again, and not done twice.
local last = prefix .. 'last:' .. q.session
if q.again then
  local before = redis.call('GET', last)
  if not before then return told('forgotten') end
  local nonce, place, key = string.match(before, '^(%d+) (%d+) (%d+)$')
  if nonce == tostring(q.nonce) then return told('done', place, key) end
end

local names = {'claim', 'until', 'seen', 'seq'}
for _, a in ipairs(c.accounts) do
  names[#names + 1] = a[1] .. ':state'
  names[#names + 1] = a[1] .. ':sums'
end
local at = {}
for i = 1, #names, 4000 do  -- as many as a call may have arguments, and fewer
  local part = redis.call('HMGET', tree, unpack(names, i, math.min(i + 3999, #names)))
  for j = 1, #part do at[#at + 1] = part[j] end
end

local sums, firsts = {}, {}
local function refused()
  if at[1] and at[1] ~= q.session and tonumber(at[2]) > time then return 'claimed' end
  for i, a in ipairs(c.accounts) do
    local state, now = at[2 * i + 3], at[2 * i + 4]
    if not state then return 'gone' end
    if state ~= a[2] then return 'stale' end
    if c.whole then
      if now ~= a[4] then return 'stale' end
    else
      firsts[i] = #sums
      local figures = cjson.decode('[' .. now .. ']')
      if #figures ~= a[4] then return 'stale' end
      for _, sum in ipairs(figures) do
        if sum > EXACT or sum < -EXACT then return 'stale' end
        sums[#sums + 1] = sum
      end
    end
  end
  for _, guard in ipairs(c.guards) do
    local sum = 0
    for j = 2, #guard do
      local v = guard[j]
      if v > 0 then sum = sum + sums[v] else sum = sum - sums[-v] end
    end
    if sum > guard[1] then return 'stale' end
  end
  for _, e in ipairs(c.entries) do
    if redis.call('HGET', entries .. e[1], e[2]) ~= e[3] then return 'stale' end
  end
  for _, n in ipairs(c.counts or {}) do
    if n[3] and (tonumber(redis.call('HGET', counts .. n[1], n[2]) or '0')) ~= n[3] then return 'stale' end
  end
  if not c.swept and redis.call('ZRANGE', leases, '-inf', q.now, 'BYSCORE', 'LIMIT', 0, 1)[1] then
    return 'stale'
  end
  -- Of the right type, like all that was read above.
  redis.call('HLEN', owners)
  if c.new then
    if redis.call('HEXISTS', prefix .. 'ids', c.new[1]) == 1 then return 'taken' end
    redis.call('LLEN', below .. c.new[2])
  end
end

local why = refused()
if why == 'stale' then
  local reply = rows('stale')
  if q.claim then redis.call('HSET', tree, 'claim', q.session, 'until', time + 0.1) end
  return reply
elseif why then
  return told(why)
end

local key = '0'
if c.new then
  key = tostring(redis.call('INCR', prefix .. 'keys'))
  if c.new[2] == '' then root, tree = key, prefix .. 'tree:' .. key end
end

local place = tonumber(at[4] or '0')
local first = place + 1
for _, e in ipairs(c.entries) do
  if e[2] == 0 then
    place = place + 1
    e[2] = place
  end
end
local fields = {
  'seq', place, 'seen', string.format('%.17g', math.max(q.now, tonumber(at[3] or '0'))),
}
local function set(name, value)
  fields[#fields + 1] = name
  fields[#fields + 1] = value
end
for i, a in ipairs(c.accounts) do
  if a[3] then set(a[1] .. ':state', a[3]) end
  if a[5] and c.whole then
    set(a[1] .. ':sums', a[5])
  elseif a[5] then
    local texts = {}
    for f, change in ipairs(a[5]) do texts[f] = string.format('%.0f', sums[firsts[i] + f] + change) end
    set(a[1] .. ':sums', table.concat(texts, ','))
  end
end
if c.new then
  set(key .. ':id', c.new[1])
  set(key .. ':up', c.new[2])
  set(key .. ':meta', c.new[3])
  set(key .. ':state', c.new[4])
  set(key .. ':sums', c.new[5])
end
for i = 1, #fields, 4000 do
  redis.call('HSET', tree, unpack(fields, i, math.min(i + 3999, #fields)))
end
if c.new then
  redis.call('HSET', prefix .. 'ids', c.new[1], root .. ':' .. key)
  if c.new[2] ~= '' then redis.call('RPUSH', below .. c.new[2], key) end
end
for _, e in ipairs(c.entries) do
  local member = e[1] .. ':' .. e[2]
  if e[4] then
    redis.call('HSET', entries .. e[1], e[2], e[4])
  else
    redis.call('HDEL', entries .. e[1], e[2])
  end
  if e[5] then
    redis.call('ZADD', leases, e[5], member)
    redis.call('HSET', owners, member, e[6])
  elseif e[3] then
    redis.call('ZREM', leases, member)
    redis.call('HDEL', owners, member)
  end
end
for _, cleared in ipairs(c.clear or {}) do
  redis.call('UNLINK', counts .. cleared, prefix .. 'called:' .. cleared)
end
for _, n in ipairs(c.counts or {}) do
  local called = prefix .. 'called:' .. n[1]
  redis.call('HSET', counts .. n[1], n[2], n[4])
  redis.call('ZADD', called, redis.call('HINCRBY', tree, 'calls', 1), n[2])
  if redis.call('ZCARD', called) > n[5] then
    redis.call('HDEL', counts .. n[1], redis.call('ZPOPMIN', called)[1])
  end
end
if at[1] == q.session then redis.call('HDEL', tree, 'claim', 'until') end
redis.call('SET', last, q.nonce .. ' ' .. first .. ' ' .. key, 'EX', 3600)
return told('done', first, key)
"""

# Which ledgers there are: their ids, and ROOT:KEY of their accounts.
PLACES = "return redis.call('HGETALL', KEYS[1] .. 'ids')"

# Says hello: which layout is here, now at least ours where there was none; an onlooker leaves nothing.
HELLO = r"""
local prefix, clock = KEYS[1], redis.call('TIME')
local schema = redis.call('GET', prefix .. 'schema')
if ARGV[2] == '' then return {schema or ARGV[1], clock[1], clock[2]} end
if not schema then
  schema = ARGV[1]
  redis.call('SET', prefix .. 'schema', schema)
end
redis.call('SET', prefix .. 'last:' .. ARGV[2], '0 0 0', 'NX', 'EX', 3600)
return {schema, clock[1], clock[2]}
"""

# Lets go of a ledger and all below: a root with its whole tree, a child's id alone. Returns the ids.
DISCARD = r"""
local prefix = KEYS[1]
local place = redis.call('HGET', prefix .. 'ids', ARGV[1])
if not place then return {} end
local root, top = string.match(place, '^(%d+):(%d+)$')
local tree = prefix .. 'tree:' .. root
local keys, ids = {top}, {}
while #keys > 0 do
  local key = table.remove(keys)
  for _, child in ipairs(redis.call('LRANGE', prefix .. 'below:' .. key, 0, -1)) do keys[#keys + 1] = child end
  local id = redis.call('HGET', tree, key .. ':id')
  if id and redis.call('HGET', prefix .. 'ids', id) == root .. ':' .. key then
    ids[#ids + 1] = id
    redis.call('HDEL', prefix .. 'ids', id)
  end
  if top == root then
    for _, kind in ipairs({'entries:', 'below:', 'counts:', 'called:'}) do
      redis.call('UNLINK', prefix .. kind .. key)
    end
  end
end
if top == root then
  redis.call('UNLINK', tree, prefix .. 'leases:' .. root, prefix .. 'owners:' .. root)
end
return ids
"""
