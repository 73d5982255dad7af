#!/bin/bash
# The main job by hand: what somebody who knows all parts would write, once, for one machine.
#
#   word-count.sh FOLDER SPARK.tgz JARS.tgz APP.py TEXTS
#
# Starts Ceph, MariaDB and Spark below FOLDER on loopback, puts the files of TEXTS into a bucket, counts
# their words with Spark, and prints the row. The daemons end with the script. Packages: ceph-mon ceph-osd
# radosgw ceph-common s3cmd mariadb-server openjdk-17-jre-headless python3-pymysql.
set -euo pipefail
b=$1 tarball=$2 jars=$3 app=$4 texts=$5
address=127.0.0.1
mkdir -p "$b"/{run,log,mon-a,osd-0,rgw,my,spark,apps,local}
finish() {
    xargs -r kill -9 <"$b/pids" 2>/dev/null || true
    wait 2>/dev/null || true
}
trap finish EXIT

until_ok() { # until_ok SECONDS COMMAND…: asks again and again, fast
    local end=$((SECONDS + $1))
    shift
    until "$@" >/dev/null 2>&1; do
        ((SECONDS < end)) || { echo "gave up on: $*" >&2; exit 1; }
        sleep 0.05
    done
}

ceph_up() {
    local fsid uuid key
    fsid=$(cat /proc/sys/kernel/random/uuid)
    cat >"$b/ceph.conf" <<EOF
[global]
fsid = $fsid
mon_host = [v2:$address:3300,v1:$address:6789]
auth_cluster_required = cephx
auth_service_required = cephx
auth_client_required = cephx
auth_allow_insecure_global_id_reclaim = false
public_network = $address/8
run_dir = $b/run
admin_socket = $b/run/\$name.asok
log_file = $b/log/\$name.log
osd_pool_default_size = 1
osd_pool_default_min_size = 1
osd_pool_default_pg_num = 4
osd_pool_default_pgp_num = 4
mon_allow_pool_size_one = true
osd_crush_chooseleaf_type = 0
[mon]
mon_data = $b/mon-\$id
paxos_propose_interval = 0.05
paxos_min_wait = 0.02
mon_data_avail_warn = 2
mon_data_avail_crit = 1
mon_warn_on_pool_no_redundancy = false
[osd]
osd_data = $b/osd-\$id
osd_objectstore = bluestore
bluestore_block_size = 2147483648
bluestore_block_db_create = false
bluestore_block_wal_create = false
[client.admin]
keyring = $b/admin.keyring
[client.rgw.a]
rgw_data = $b/rgw
keyring = $b/rgw/keyring
rgw_frontends = beast endpoint=$address:7480
EOF
    export CEPH_CONF=$b/ceph.conf
    ceph-authtool --create-keyring "$b/mon.keyring" --gen-key -n mon. --cap mon 'allow *' >/dev/null
    ceph-authtool --create-keyring "$b/admin.keyring" --gen-key -n client.admin \
        --cap mon 'allow *' --cap osd 'allow *' --cap mgr 'allow *' >/dev/null
    ceph-authtool "$b/mon.keyring" --import-keyring "$b/admin.keyring" >/dev/null
    monmaptool --create --fsid "$fsid" --addv a "[v2:$address:3300,v1:$address:6789]" "$b/monmap" >/dev/null
    ceph-mon -i a --mkfs --monmap "$b/monmap" --keyring "$b/mon.keyring"
    ceph-mon -i a -f &>"$b/log/mon.out" &
    echo $! >>"$b/pids"
    until_ok 30 ceph --connect-timeout 2 mon stat
    uuid=$(cat /proc/sys/kernel/random/uuid)
    key=$(ceph-authtool --gen-print-key)
    echo "{\"cephx_secret\":\"$key\"}" | ceph osd new "$uuid" -i - >/dev/null
    ceph-authtool --create-keyring "$b/osd-0/keyring" --name osd.0 --add-key "$key" >/dev/null
    ceph-osd -i 0 --mkfs --osd-uuid "$uuid" &>"$b/log/mkfs.out"
    ceph-osd -i 0 -f &>"$b/log/osd.out" &
    echo $! >>"$b/pids"
    until_ok 60 bash -c "ceph osd stat | grep -q '1 up'"
    ceph auth get-or-create client.rgw.a mon 'allow rw' osd 'allow rwx' mgr 'allow rw' -o "$b/rgw/keyring"
    radosgw -n client.rgw.a -f &>"$b/log/rgw.out" &
    echo $! >>"$b/pids"
    until_ok 60 curl -sf "http://$address:7480/"
    radosgw-admin user create --uid=job --display-name=job --access-key=job --secret-key=jobsecret >/dev/null
    cat >"$b/s3cfg" <<EOF
[default]
access_key = job
secret_key = jobsecret
host_base = $address:7480
host_bucket = $address:7480
use_https = False
EOF
    s3cmd -q -c "$b/s3cfg" mb s3://words
    s3cmd -q -c "$b/s3cfg" put "$texts"/* s3://words/texts/
}

mariadb_up() {
    mariadb-install-db --no-defaults --user="$(id -un)" --datadir="$b/my/data" \
        --auth-root-authentication-method=normal --skip-test-db >/dev/null
    mkdir -p "$b/my/t"
    mariadbd --no-defaults --user=root --datadir="$b/my/data" --port=13306 --bind-address=$address \
        --socket="$b/my/my.sock" --pid-file="$b/my/my.pid" --tmpdir="$b/my/t" &>"$b/log/my.out" &
    echo $! >>"$b/pids"
    until_ok 60 mariadb-admin --no-defaults -S "$b/my/my.sock" -u root ping
    mariadb --no-defaults -S "$b/my/my.sock" -u root -e "create database test;
        create user 'job'@'%' identified by 'secret'; grant all on test.* to 'job'@'%';"
    echo "{\"host\":\"$address\",\"port\":13306,\"user\":\"job\",\"password\":\"secret\",\"database\":\"test\"}" >"$b/database.json"
}

spark_up() {
    tar xzf "$tarball" -C "$b/spark" --strip-components 1
    tar xzf "$jars" -C "$b/spark/jars"
    cat >"$b/spark/conf/spark-defaults.conf" <<EOF
spark.master spark://$address:17077
spark.driver.host $address
spark.driver.bindAddress $address
spark.driver.memory 512m
spark.executor.memory 512m
spark.hadoop.fs.s3a.endpoint http://$address:7480
spark.hadoop.fs.s3a.access.key job
spark.hadoop.fs.s3a.secret.key jobsecret
spark.hadoop.fs.s3a.path.style.access true
spark.hadoop.fs.s3a.connection.ssl.enabled false
EOF
    export SPARK_HOME=$b/spark SPARK_DAEMON_MEMORY=256m SPARK_LOCAL_HOSTNAME=$address PYSPARK_PYTHON=/usr/bin/python3
    "$b/spark/bin/spark-class" org.apache.spark.deploy.master.Master \
        --host $address --port 17077 --webui-port 18080 &>"$b/log/master.out" &
    echo $! >>"$b/pids"
    until_ok 60 curl -sf "http://$address:18080/json/"
    for n in 1 2; do
        SPARK_WORKER_CORES=1 SPARK_WORKER_MEMORY=1g SPARK_WORKER_DIR=$b/apps/$n SPARK_LOCAL_DIRS=$b/local/$n \
            "$b/spark/bin/spark-class" org.apache.spark.deploy.worker.Worker \
            --host $address --port $((17080 + n)) --webui-port $((18080 + n)) "spark://$address:17077" \
            &>"$b/log/worker$n.out" &
        echo $! >>"$b/pids"
    done
    until_ok 60 bash -c "curl -s http://$address:18080/json/ | tr -d ' \n' | grep -q '\"aliveworkers\":2'"
}

began=$(date +%s.%N)
: >"$b/pids"
ceph_up & ceph=$!
mariadb_up & maria=$!
spark_up & spark=$!
failed=0
for part in $ceph $maria $spark; do wait "$part" || failed=1; done
((failed == 0)) || { echo "a part did not come up; see $b/log" >&2; exit 1; }
export SPARK_HOME=$b/spark SPARK_LOCAL_HOSTNAME=$address PYSPARK_PYTHON=/usr/bin/python3 MUSTER_DATABASE=$b/database.json
"$b/spark/bin/spark-submit" "$app" --input 's3a://words/texts/*' &>"$b/log/job.out" ||
    { tail -5 "$b/log/job.out" >&2; exit 1; }
row=$(mariadb --no-defaults -N -S "$b/my/my.sock" -u root -e 'select value from test.data order by created desc limit 1')
ended=$(date +%s.%N)
echo "row $row"
echo "seconds $(echo "$ended - $began" | awk '{ print $1 - $3 }')"
