#!/bin/sh
# slurm.sh FOLDER COMMAND...: runs a command beside a Slurm of one machine that pretends 16 processors, as root, and
# stops all of it however the command ends. The daemons have keys, sockets and logs of their own below FOLDER.
set -u
folder=$(cd "$1" && pwd) host=$(hostname -s)
shift
base=$((20000 + $$ % 20000))
PATH=$PATH:/usr/sbin SLURM_CONF=$folder/slurm.conf
export SLURM_CONF PATH
mkdir -p "$folder/state" "$folder/spool" "$folder/munge"
chmod 755 "$folder" "$folder/munge"

child() { setpriv --pdeathsig KILL "$@" >>"$folder/daemons.log" 2>&1 </dev/null & } # ends with this shell

stop() {
  scancel --state=PENDING,RUNNING,SUSPENDED --user=root
  tries=0
  while [ "$(squeue -h -t running,completing | wc -l)" != 0 ] && [ $tries -lt 50 ]; do
    sleep 0.1; tries=$((tries + 1))
  done
  # shellcheck disable=SC2086
  kill -KILL $daemons
  wait
} 2>/dev/null
daemons=
trap stop EXIT
trap 'exit 143' TERM
trap 'exit 130' INT

dd if=/dev/urandom of="$folder/munge/key" bs=128 count=1 2>/dev/null
chmod 400 "$folder/munge/key"
cat >"$SLURM_CONF" <<END
ClusterName=toy
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=$base
SlurmdPort=$((base + 1))
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket=$folder/munge/socket
CredType=cred/munge
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd.pid
SlurmctldLogFile=$folder/slurmctld.log
SlurmdLogFile=$folder/slurmd.log
SlurmdParameters=config_overrides
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
ReturnToService=2
KillWait=5
NodeName=$host NodeAddr=127.0.0.1 CPUs=16 RealMemory=100 State=UNKNOWN
PartitionName=debug Nodes=ALL Default=YES MaxTime=INFINITE State=UP
END
child munged --foreground --force --num-threads=2 --key-file="$folder/munge/key" --socket="$folder/munge/socket" \
  --pid-file="$folder/munge/pid" --log-file="$folder/munge/log" --seed-file="$folder/munge/seed"
daemons="$daemons $!"
tries=0
while ! [ -S "$folder/munge/socket" ] && [ $tries -lt 100 ]; do sleep 0.05; tries=$((tries + 1)); done
child slurmctld -D -c -f "$SLURM_CONF"
daemons="$daemons $!"
child slurmd -D -N "$host" -f "$SLURM_CONF"
daemons="$daemons $!"
tries=0
while [ "$(sinfo -h -o %T 2>/dev/null)" != idle ]; do
  tries=$((tries + 1))
  [ $tries -lt 100 ] || { tail -5 "$folder"/*.log "$folder/munge/log" >&2; echo "slurm.sh: no idle node" >&2; exit 1; }
  sleep 0.1
done
"$@"
