#!/bin/bash
# The first process of the machine, in namespaces of its own: makes its file system and its links, and becomes systemd.
# $1: the tree; $2: a directory for what is written; $3: our source, or nothing where it is to be installed by somebody;
# $4: where the libraries are; and programs of this machine that the other is to have, too
set -euo pipefail
tree=$1 scratch=$2 source=$3 libraries=$4
shift 4
mount --make-rprivate /
mount -t tmpfs none "$scratch"
mkdir "$scratch"/{upper,work,root}
root=$scratch/root
mount -t overlay -o "lowerdir=$tree,upperdir=$scratch/upper,workdir=$scratch/work" none "$root"

mount -t proc proc "$root/proc"
mount -t sysfs -o ro sysfs "$root/sys"
mount -t cgroup2 none "$root/sys/fs/cgroup"
mount -t tmpfs -o mode=755 none "$root/dev"
mkdir "$root"/dev/{pts,shm,mqueue}
for device in null zero full random urandom tty; do
  touch "$root/dev/$device"
  mount --bind "/dev/$device" "$root/dev/$device"
done
mount -t devpts -o newinstance,ptmxmode=0666 devpts "$root/dev/pts"
ln -s pts/ptmx "$root/dev/ptmx"
mount -t mqueue mqueue "$root/dev/mqueue"
mount -t tmpfs none "$root/dev/shm"
mount -t tmpfs -o mode=755 none "$root/run"

if [ -n "$source" ]; then
  # The program as a package would place it: its own interpreter, libraries and code, which are those of the source tree.
  opt=$root/opt/knockfirst
  mkdir -p "$opt"/{bin,src,lib/python3.11/site-packages}
  printf 'home = /usr/bin\ninclude-system-site-packages = false\n' >"$opt/pyvenv.cfg"
  ln -s /usr/bin/python3 "$opt/bin/python3"
  mount --bind -o ro "$libraries" "$opt/lib/python3.11/site-packages"
  for package in agent collectors probes exporters; do
    mkdir "$opt/src/$package"
    mount --bind -o ro "$source/$package" "$opt/src/$package"
  done
  printf '%s\n' '#!/opt/knockfirst/bin/python3 -P' 'import sys' 'sys.path.insert(0, "/opt/knockfirst/src")' \
    'from agent.__main__ import main' 'sys.exit(main())' >"$opt/bin/knockfirst"
  chmod 755 "$opt/bin/knockfirst"

  for unit in "$source"/systemd/*.{service,socket,path,timer,target,slice}; do
    cp "$unit" "$root/etc/systemd/system/"
  done
  cp "$source"/systemd/sysusers.d/* "$root/usr/lib/sysusers.d/"
  cp "$source"/systemd/tmpfiles.d/* "$root/usr/lib/tmpfiles.d/"
  mkdir -p "$root/etc/systemd/system/multi-user.target.wants"
  ln -s ../knockfirst.target "$root/etc/systemd/system/multi-user.target.wants/"
fi
for program in "$@"; do
  touch "$root$program"
  mount --bind -o ro "$program" "$root$program"
done
cp -r "$scratch.etc/." "$root/etc/"
# Nothing of the machine's own that is not needed, and that would only wait for what is not there.
for unit in systemd-udevd systemd-udev-trigger systemd-networkd systemd-resolved systemd-timesyncd systemd-logind \
  console-getty getty@tty1 systemd-journal-flush apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer \
  e2scrub_all.timer fstrim.timer systemd-update-utmp systemd-random-seed; do
  case $unit in *.*) ;; *) unit=$unit.service ;; esac
  ln -sf /dev/null "$root/etc/systemd/system/$unit"
done
echo 0123456789abcdef0123456789abcdef >"$root/etc/machine-id"

ip link set lo up
ip link add eth0 type veth peer name far
ip address add 192.0.2.1/24 dev eth0 nodad
ip address add 198.51.100.1/24 dev lo
ip link set eth0 up
ip link set far up

cd "$root"
mkdir -p .old
pivot_root . .old
umount -l .old
# As on any machine: what systemd mounts for a unit, such as its credentials, is seen outside of where it does so.
mount --make-rshared /
exec env -i container=knockfirst-tests PATH=/usr/sbin:/usr/bin /lib/systemd/systemd --show-status=no --log-target=journal
