.PHONY: deps
deps: ## install the packages that are missing (tools/packages.txt)
	$(Q)tools/deps.sh

FORMAT_SRC = $(shell git ls-files '*.c' '*.h')
format:
	$(Q)clang-format -i $(FORMAT_SRC)
