# ask.zsh FOLDER OUT LINE...: what a tab makes of each line, in a terminal as a person has it. The folder has
# the script as `_cargo-watertight`, as a folder of `fpath` has it; with SOURCED set it is sourced instead.
zmodload zsh/zpty
zpty asked zsh -f -i
if [[ -n $SOURCED ]]; then
  load="autoload -U compinit; compinit -u -D; source ${(q)1}/_cargo-watertight"
else
  load="fpath=(${(q)1} \$fpath); autoload -U compinit; compinit -u -D"
fi
zpty -w asked "$load; told() { print -r -- \"\$BUFFER\" >> ${(q)2}; BUFFER= }; zle -N told; bindkey '^X' told; print REA''DY"
zpty -r -m asked out '*READY*'
: > $2
number=0
for line in "${@[3,-1]}"; do
  zpty -w -n asked "$line"$'\t'$'\x18'
  (( number++ ))
  for wait in {1..200}; do
    zpty -r -t asked out
    [[ $(wc -l < $2) -ge $number ]] && break
    sleep 0.05
  done
done
zpty -d asked
