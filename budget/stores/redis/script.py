"""What runs in the Redis server: tell how things stand; check what a step relied on, and keep it.

The server knows nothing of the ledger's law. It compares texts, adds up sums, compares them with
figures it is given, and changes all or nothing: every check and every read comes before the first
write, and no write that follows can fail.

Under the prefix:
    schema            which layout this is
    keys              the last key given to an account; a tree is known by its root's
    ids               a ledger's id -> ROOT:KEY of its account
    tree:ROOT         of each account: KEY:id, KEY:up (its parent), KEY:meta (what never changes),
                      KEY:sums and KEY:state (its other figures); and of the tree: seq (the last place
                      given), seen (the time of the last change), claim and until (who is let pass
                      first, until when)
    below:KEY         the keys of the accounts right below
    entries:KEY       place -> a request or a note, as rows.py writes it
    leases:ROOT       KEY:PLACE of the open holds, by the end of their leases
    owners:ROOT       KEY:PLACE of the open holds -> whose process
    counts:KEY        a tool call -> how often it was made
    called:KEY        the tool calls, by when they were last made
    last:SESSION      the last commit of one process and what it was answered, for an hour

Ids are JSON strings here, like all other text. Sums are doubles, packed one behind the other with
their highest bytes first; beyond 2^53 they are text, which no such double begins like.
"""

# Marks the layout above.
SCHEMA = 1

# How things stand: what the request asks for, at one instant, and the server's time.
TELL = r"""
local prefix, q = KEYS[1], cjson.decode(ARGV[1])
local clock = redis.call('TIME')

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

local root = q.root
local entries, below, counts = prefix .. 'entries:', prefix .. 'below:', prefix .. 'counts:'
local tree, leases, owners = prefix .. 'tree:' .. root, prefix .. 'leases:' .. root, prefix .. 'owners:' .. root

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
return told('rows', string.format('%.17g', seen), root, accounts, records, numbers, held, found)
"""

# One commit, answered by what became of it and the server's time. It comes flat and packed, because
# reading JSON would cost the server as much as all the rest:
#   1 the tree's root; 2 the time of the step; 3 whose commit it is; 4 which of theirs
#   5 how to keep it: a, it may be done already; c, claim the tree if it is not kept; s, ended leases
#     were looked after; w, only if the sums are wholly as known
#   6 in JSON what is rare: new (an account), clear and counts (of tool calls); or nothing
#   7 the guards, as doubles: the most that may be, how many sums, and which, counted over all
#     accounts from 1; negative is subtracted
#   8 how many accounts; of each follow: its key; its state as known; its new one, or nothing; how
#     many sums it has, and by what they change as doubles, or nothing; under w, the sums as known and the
#     new ones, or nothing
#   and then of each entry: its account's key; its place, 0 for the next; its text as known, or
#     nothing; its new one, or nothing; when its lease ends, or nothing; its owner
KEEP = r"""
local prefix = KEYS[1]
local root, now, session, nonce, how, rare, guards, accounts = unpack(ARGV, 1, 8)
local clock = redis.call('TIME')
local EXACT = 2 ^ 50  -- doubles, and sums of several, are exact up to here
local FIRST, WIDTH, ENTRY = 9, 5, 6
local from = FIRST + accounts * WIDTH

local function told(status, ...)
  return {status, clock[1], clock[2], ...}
end
local function has(letter)
  return string.find(how, letter, 1, true)
end
-- The figures of a text, one behind the other, and how many there are.
local forms = {}
local function figures(text)
  local count = #text / 8
  local form = forms[count] or '>' .. string.rep('d', count)
  forms[count] = form
  return {struct.unpack(form, text)}, count, form
end

-- A commit whose answer was lost is answered again, and not done twice.
local last = prefix .. 'last:' .. session
if has('a') then
  local before = redis.call('GET', last)
  if not before then return told('forgotten') end
  local done, place, key = string.match(before, '^(%d+) (%d+) (%d+)$')
  if done == nonce then return told('done', place, key) end
end

local entries, below, counts = prefix .. 'entries:', prefix .. 'below:', prefix .. 'counts:'
local tree, leases, owners = prefix .. 'tree:' .. root, prefix .. 'leases:' .. root, prefix .. 'owners:' .. root
local whole, new, cleared, counted = has('w'), nil, {}, {}
if rare ~= '' then
  rare = cjson.decode(rare)
  new, cleared, counted = rare.new, rare.clear or cleared, rare.counts or counted
end

local names = {'claim', 'until', 'seen', 'seq'}
for a = FIRST, from - 1, WIDTH do
  names[#names + 1] = ARGV[a] .. ':state'
  names[#names + 1] = ARGV[a] .. ':sums'
end
local at = {}
if #names <= 4000 then
  at = redis.call('HMGET', tree, unpack(names))
else  -- more than a call may have arguments
  for i = 1, #names, 4000 do
    local part = redis.call('HMGET', tree, unpack(names, i, math.min(i + 3999, #names)))
    for j = 1, #part do at[i + j - 1] = part[j] end
  end
end

local sums = {}
local function refused()
  if at[1] and at[1] ~= session and tonumber(at[2]) > clock[1] + clock[2] / 1e6 then return 'claimed' end
  local field = 5
  for a = FIRST, from - 1, WIDTH do
    local state, stand = at[field], at[field + 1]
    field = field + 2
    if not state then return 'gone' end
    if state ~= ARGV[a + 1] then return 'stale' end
    if whole then
      if stand ~= ARGV[a + 3] then return 'stale' end
    else
      -- Of the length that is known; text begins with a sign or a figure.
      local byte = string.byte(stand)
      if #stand ~= 8 * ARGV[a + 3] or (byte >= 45 and byte <= 57) then return 'stale' end
      local known, count = figures(stand)
      local before = #sums
      for i = 1, count do
        local sum = known[i]
        if not (sum <= EXACT and sum >= -EXACT) then return 'stale' end
        sums[before + i] = sum
      end
    end
  end
  local must, count = figures(guards)
  local i = 1
  while i < count do
    local sum, last = 0, i + 1 + must[i + 1]
    for j = i + 2, last do
      local v = must[j]
      if v > 0 then sum = sum + sums[v] else sum = sum - sums[-v] end
    end
    if sum > must[i] then return 'stale' end
    i = last + 1
  end
  for e = from, #ARGV, ENTRY do
    if (redis.call('HGET', entries .. ARGV[e], ARGV[e + 1]) or '') ~= ARGV[e + 2] then return 'stale' end
  end
  for _, n in ipairs(counted) do
    if n[3] and (tonumber(redis.call('HGET', counts .. n[1], n[2]) or '0')) ~= n[3] then return 'stale' end
  end
  if not has('s') and redis.call('ZRANGE', leases, '-inf', now, 'BYSCORE', 'LIMIT', 0, 1)[1] then
    return 'stale'
  end
  -- Of the right type, like all that was read above.
  redis.call('HLEN', owners)
  if new then
    if redis.call('HEXISTS', prefix .. 'ids', new[1]) == 1 then return 'taken' end
    redis.call('LLEN', below .. new[2])
  end
end

local why = refused()
if why then
  if why == 'stale' and has('c') then
    redis.call('HSET', tree, 'claim', session, 'until', clock[1] + clock[2] / 1e6 + 0.1)
  end
  return told(why)
end

local key = '0'
if new then
  key = tostring(redis.call('INCR', prefix .. 'keys'))
  if new[2] == '' then root, tree = key, prefix .. 'tree:' .. key end
end

local place = tonumber(at[4] or '0')
local first = place + 1
local places = {}
for e = from, #ARGV, ENTRY do
  if ARGV[e + 1] == '0' then
    place = place + 1
    places[e] = string.format('%d', place)
  end
end
if at[3] and tonumber(at[3]) > tonumber(now) then now = at[3] end
local fields = {'seq', place, 'seen', now}
local function set(name, value)
  fields[#fields + 1] = name
  fields[#fields + 1] = value
end
local count = 0
for a = FIRST, from - 1, WIDTH do
  local state, change = ARGV[a + 2], ARGV[a + 4]
  if state ~= '' then set(ARGV[a] .. ':state', state) end
  if whole then
    if change ~= '' then set(ARGV[a] .. ':sums', change) end
  else
    if change ~= '' then
      local after, many, form = figures(change)
      for i = 1, many do after[i] = after[i] + sums[count + i] end
      set(ARGV[a] .. ':sums', struct.pack(form, unpack(after, 1, many)))
    end
    count = count + ARGV[a + 3]
  end
end
if new then
  set(key .. ':id', new[1])
  set(key .. ':up', new[2])
  set(key .. ':meta', new[3])
  set(key .. ':state', new[4])
  set(key .. ':sums', struct.pack('>' .. string.rep('d', #new[5]), unpack(new[5])))
end
for i = 1, #fields, 4000 do
  redis.call('HSET', tree, unpack(fields, i, math.min(i + 3999, #fields)))
end
if new then
  redis.call('HSET', prefix .. 'ids', new[1], root .. ':' .. key)
  if new[2] ~= '' then redis.call('RPUSH', below .. new[2], key) end
end
for e = from, #ARGV, ENTRY do
  local of, at, was, text, deadline = unpack(ARGV, e, e + 4)
  at = places[e] or at
  local member = of .. ':' .. at
  if text ~= '' then
    redis.call('HSET', entries .. of, at, text)
  else
    redis.call('HDEL', entries .. of, at)
  end
  if deadline ~= '' then
    redis.call('ZADD', leases, deadline, member)
    redis.call('HSET', owners, member, ARGV[e + 5])
  elseif was ~= '' then
    redis.call('ZREM', leases, member)
    redis.call('HDEL', owners, member)
  end
end
for _, key in ipairs(cleared) do
  redis.call('UNLINK', counts .. key, prefix .. 'called:' .. key)
end
for _, n in ipairs(counted) do
  local called = prefix .. 'called:' .. n[1]
  redis.call('HSET', counts .. n[1], n[2], n[4])
  redis.call('ZADD', called, redis.call('HINCRBY', tree, 'calls', 1), n[2])
  if redis.call('ZCARD', called) > n[5] then
    redis.call('HDEL', counts .. n[1], redis.call('ZPOPMIN', called)[1])
  end
end
if at[1] == session then redis.call('HDEL', tree, 'claim', 'until') end
redis.call('SET', last, nonce .. ' ' .. first .. ' ' .. key, 'EX', 3600)
return told('done', first, key)
"""

# The last commit of a session that was kept: which, its first place and the new account's key.
LAST = r"""
local before = redis.call('GET', KEYS[1] .. 'last:' .. ARGV[1])
return before and {string.match(before, '^(%d+) (%d+) (%d+)$')} or {}
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
