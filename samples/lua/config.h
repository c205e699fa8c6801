/* SPDX-License-Identifier: MIT */
/* What Lua leaves to the platform, for a guest; every file of Lua is compiled with this in front. */
#ifndef CORACLE_LUA_CONFIG_H
#define CORACLE_LUA_CONFIG_H

/* A domain runs one program, so there is no process to open a pipe to: io.popen raises an error. */
#define l_popen(L, command, mode)                                                                            \
    ((void)(command), (void)(mode), luaL_error(L, "'popen' not supported"), (FILE *)0)
#define l_pclose(L, file) ((void)(L), (void)(file), -1)

#endif
