# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# Shared by the check lanes: the series in build/linux, and proofs.

. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

lane=${0##*/}
tree=$B/linux
state=$B/linux.state
[ -s "$state" ] || die "$lane: there is no $(short "$state"), run make tree"
# shellcheck disable=SC2034 # for the lanes
base=$(head -n 1 "$state" | cut -d ' ' -f 2)
head=$(tail -n 1 "$state" | cut -d ' ' -f 2)
[ "$base" != "$head" ] || die "$lane: the series is empty"

# prove DEFECT REGEX COMMAND...: a checker that was switched off, or is too old,
# finds nothing and says so with status 0.  COMMAND is the lane's own check, run
# on a seeded DEFECT: it has to fail, and say something that matches.
prove() {
	# Not the names of a lane's own variables.
	local prove_defect=$1 prove_want=$2 prove_out prove_status=0

	shift 2
	prove_out=$("$@" 2>&1 < /dev/null) || prove_status=$?
	if [ "$prove_status" = 0 ] || ! grep -qE -e "$prove_want" <<< "$prove_out"; then
		say "$prove_out"
		die "$lane: the check does not work: $prove_defect was not reported (status $prove_status)"
	fi
	say "proof: $prove_defect: $(grep -m 1 -E -e "$prove_want" <<< "$prove_out")"
}

# Files that the series adds, or that it adds and changes, with these endings.
added_files() {
	git -C "$tree" diff --no-renames --name-only --diff-filter=A "$base" "$head" -- "$@"
}
touched_files() {
	git -C "$tree" diff --no-renames --name-only --diff-filter=d "$base" "$head" -- "$@"
}

# checkpatch IGNORED FILE...: --strict, with a dictionary, but for the types IGNORED.
# Its helpers are Python: the system's, which has their packages.  It matches each line
# with the whole dictionary, so it gets only the misspellings whose words the files have:
# that finds as much, and is three times as fast.
checkpatch() {
	local ignored=$1 dictionary=/usr/lib/python3/dist-packages/codespell_lib/data/dictionary.txt
	local words=$B/check/misspellings

	[ -f "$dictionary" ] || die "$lane: codespell is missing, run scripts/deps check"
	shift
	mkdir -p "$B/check"
	awk '
		FILENAME != ARGV[ARGC - 1] {
			n = split(tolower($0), word, /[^a-z0-9_]+/)
			for (i = 1; i <= n; i++)
				seen[word[i]]
			next
		}
		{
			n = split(tolower(substr($0, 1, index($0, "->") - 1)), word, /[^a-z0-9_]+/)
			for (i = 1; i <= n; i++)
				if (!(word[i] in seen))
					next
			print
		}' "$@" "$dictionary" > "$words"
	(cd "$tree" && printf '%s\0' "$@" |
		env PATH="/usr/bin:/bin:$PATH" xargs -0 -n 1 -P "$(nproc)" perl scripts/checkpatch.pl --strict --quiet --no-summary \
			--emacs --show-types --codespell --codespellfile "$words" --ignore "$ignored")
}

# kmake OUTPUT ARGUMENT...: the kernel's make.
kmake() {
	make -C "$tree" O="$1" LOCALVERSION= CC="ccache ${CROSS_COMPILE}gcc" \
		HOSTCC='ccache gcc' -j"$(nproc)" "${@:2}"
}
