# SPDX-License-Identifier: MIT
# One folder an application, smallest first. Each adds its image to SAMPLES; those that need no download also to ALL.
SAMPLES :=

include samples/hello/build.mk
include samples/echo/build.mk
include samples/httpd/build.mk
include samples/lua/build.mk

.PHONY: samples
## samples: all sample programs; some fetch their sources from Debian
samples: $(SAMPLES)
test test-system: $(SAMPLES)
