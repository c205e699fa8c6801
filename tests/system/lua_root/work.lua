-- SPDX-License-Identifier: MIT
-- What the Lua sample must do in a domain: its libraries, files in the root, memory, errors. Ends with status 7.
local function check(name, good)
    print((good and "ok " or "not ok ") .. name)
end

check("arguments", select("#", ...) == 2 and select(1, ...) == "one" and select(2, ...) == "two words")

local name = "/made by lua.txt"
local file = assert(io.open(name, "w"))
file:write("first\n", 42, "\n", string.rep("x", 100000), "\n")
file:close()
local lines = {}
for line in io.lines(name) do lines[#lines + 1] = line end
check("write and read", #lines == 3 and lines[1] == "first" and lines[2] == "42" and #lines[3] == 100000)
file = assert(io.open(name, "r+"))
check("seek", file:seek("end") == 100010 and file:seek("set", 6) == 6 and file:read("n") == 42)
file:close()
check("rename", os.rename(name, "/other.txt") and not io.open(name) and io.open("/other.txt"))
check("remove", os.remove("/other.txt") and not io.open("/other.txt"))
local missing, why = io.open("/no/such/file")
check("a missing file is an error with its reason", not missing and why:find("No such file"))
local temporary = os.tmpname()
check("tmpname", io.open(temporary, "w"):write("x"):close() and os.remove(temporary))
check("a module in the root", require("module").twice(21) == 42)
check("no popen", not pcall(io.popen, "ls"))

check("floating point", string.format("%.17g %a", math.pi, 1.5) == "3.1415926535897931 0x1.8p+0" and
    math.abs(math.sin(1)^2 + math.cos(1)^2 - 1) < 1e-15 and math.tointeger(2^53) == 1 << 53)
check("numbers from text", tonumber("0x1p-3") == 0.125 and tonumber("1e308") * 10 == math.huge)
check("time", os.time() > 0 and os.clock() >= 0 and os.date("!%Y-%m-%d", 86400) == "1970-01-02")
check("environment", os.getenv("GREETING") == "good day" and os.getenv("NOTHING") == nil)

local parts = {}
for i = 1, 200000 do parts[i] = tostring(i) end
check("many small objects", #table.concat(parts) == 1088895)
local peak = collectgarbage("count")
parts = nil
collectgarbage()
check("garbage goes", collectgarbage("count") < peak / 2)
check("errors come back", select(2, pcall(error, "thrown")) == "thrown")
check("an error in depth", not pcall(function() local function f() return 1 + f() end return f() end))
local double = coroutine.wrap(function(a) while true do a = coroutine.yield(2 * a) end end)
check("coroutines", double(1) == 2 and double(21) == 42)
table.sort(lines)
check("sort and patterns", lines[1] == "42" and ("key = value"):match("(%w+) = (%w+)") == "key")
io.stderr:write("a line to stderr\n")
os.exit(7)
