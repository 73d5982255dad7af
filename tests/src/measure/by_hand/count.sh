#!/bin/bash
# The demo's job as one script by hand, on one machine: a Ceph gateway, a MariaDB and a Spark cluster
# from the same packages and tarballs, real text into a bucket, its words counted over s3a://, the
# row in MariaDB. Nothing of it survives a failure, nothing is supervised, nothing is verified.
#
#   count.sh PARTS    PARTS holds spark.tgz, jars.tgz, texts/, word_count.py
#
# Prints the row's value. What it started runs on; `count.sh --end` ends and removes it.
set -euo pipefail
B=/srv/by-hand
export CEPH_CONF=$B/ceph.conf

if [ "${1:-}" = --end ]; then
    [ -d $B ] || exit 0
    for pid in $(cat $B/pids); do
        kill -KILL "$pid" 2>/dev/null || true
        while kill -0 "$pid" 2>/dev/null; do sleep 0.05; done
    done
    rm -rf $B
    exit 0
fi

PARTS=$1
A=127.0.0.1
mkdir -p $B/{run,log,tmp,rgw,mon,spark,jars,work1,work2,local}
start() { # NAME COMMAND…
    local name=$1
    shift
    setsid "$@" >"$B/log/$name.out" 2>&1 </dev/null &
    echo $! >>$B/pids
}
until_so() { # COMMAND…, tried for a minute
    local i
    for i in {1..600}; do
        "$@" >/dev/null 2>&1 && return
        sleep 0.1
    done
    echo "never came true: $*" >&2
    exit 1
}

# Spark is unpacked while the storage and the database start.
tar xzf "$PARTS/spark.tgz" -C $B/spark --strip-components=1 &
UNPACKING=$!
tar xzf "$PARTS/jars.tgz" -C $B/jars &
UNPACKING_JARS=$!

# --- MariaDB -------------------------------------------------------------------------------------
(
    mkdir $B/mysql && chown mysql $B/mysql $B/run
    mariadb-install-db --no-defaults --datadir=$B/mysql --user=mysql --auth-root-authentication-method=socket \
        --skip-test-db --force >$B/log/install-db.out 2>&1
) &
INSTALLING=$!

# --- Ceph ----------------------------------------------------------------------------------------
F=$(cat /proc/sys/kernel/random/uuid)
cat >$CEPH_CONF <<END
[global]
fsid = $F
mon_host = [v2:$A:3300,v1:$A:6789]
auth_cluster_required = cephx
auth_service_required = cephx
auth_client_required = cephx
auth_allow_insecure_global_id_reclaim = false
public_network = 127.0.0.0/8
run_dir = $B/run
admin_socket = $B/run/\$name.asok
log_file = $B/log/\$name.log
osd_pool_default_size = 1
osd_pool_default_min_size = 1
osd_pool_default_pg_num = 4
osd_pool_default_pgp_num = 4
mon_allow_pool_size_one = true
osd_crush_chooseleaf_type = 0
[mon]
mon_data = $B/mon/\$id
paxos_propose_interval = 0.05
paxos_min_wait = 0.02
mon_data_avail_warn = 2
mon_data_avail_crit = 1
mon_warn_on_pool_no_redundancy = false
[osd]
osd_data = $B/osd-\$id
osd_objectstore = bluestore
bluestore_block_size = 8589934592
bluestore_block_db_create = false
bluestore_block_wal_create = false
[client.admin]
keyring = $B/admin.keyring
[client.rgw.a]
rgw_data = $B/rgw
keyring = $B/rgw/keyring
rgw_frontends = beast endpoint=$A:7480
END
ceph-authtool --create-keyring $B/mon.keyring --gen-key -n mon. --cap mon 'allow *' >/dev/null
ceph-authtool --create-keyring $B/admin.keyring --gen-key -n client.admin \
    --cap mon 'allow *' --cap osd 'allow *' --cap mgr 'allow *' >/dev/null
ceph-authtool $B/mon.keyring --import-keyring $B/admin.keyring >/dev/null
monmaptool --create --fsid "$F" --addv a "[v2:$A:3300,v1:$A:6789]" $B/monmap >/dev/null
ceph-mon -i a --mkfs --monmap $B/monmap --keyring $B/mon.keyring
start mon ceph-mon -i a -f
until_so ceph --connect-timeout 2 mon stat
K=$(ceph-authtool --gen-print-key)
U=$(cat /proc/sys/kernel/random/uuid)
N=$(echo "{\"cephx_secret\":\"$K\"}" | ceph osd new "$U" -i -)
mkdir "$B/osd-$N"
ceph-authtool --create-keyring "$B/osd-$N/keyring" --name "osd.$N" --add-key "$K" >/dev/null
ceph-osd -i "$N" --mkfs --osd-uuid "$U" >/dev/null 2>&1
start osd ceph-osd -i "$N" -f
until_so sh -c 'ceph osd stat | grep -q "1 up"'
ceph auth get-or-create client.rgw.a mon 'allow rw' osd 'allow rwx' mgr 'allow rw' -o $B/rgw/keyring
start rgw radosgw -n client.rgw.a -f
until_so curl -sf http://$A:7480/
radosgw-admin user create --uid=by-hand --display-name=by-hand --access-key=key --secret-key=secret >/dev/null

# --- the database, meanwhile -----------------------------------------------------------------------
wait $INSTALLING || { cat $B/log/install-db.out >&2; exit 1; }
start mariadb mariadbd --no-defaults --user=mysql --datadir=$B/mysql --socket=$B/run/mysqld.sock \
    --bind-address=$A --innodb-buffer-pool-size=32M
until_so mariadb-admin --no-defaults --socket=$B/run/mysqld.sock ping
mariadb --no-defaults --socket=$B/run/mysqld.sock --execute \
    "create database test; create user spark@'%' identified by 'secret'; grant all on test.* to spark@'%'"
echo '{"host": "127.0.0.1", "port": 3306, "user": "spark", "password": "secret", "database": "test"}' >$B/database.json

# --- the text --------------------------------------------------------------------------------------
S3=(s3cmd --no-ssl --host=$A:7480 --host-bucket=$A:7480 --access_key=key --secret_key=secret --quiet)
"${S3[@]}" mb s3://words
"${S3[@]}" put --recursive "$PARTS/texts/" s3://words/texts/

# --- Spark -----------------------------------------------------------------------------------------
wait $UNPACKING $UNPACKING_JARS
export SPARK_HOME=$B/spark SPARK_LOCAL_IP=$A SPARK_DAEMON_MEMORY=256m SPARK_LOCAL_DIRS=$B/local PYSPARK_PYTHON=python3
export SPARK_DAEMON_JAVA_OPTS=-XX:-UseContainerSupport SPARK_SUBMIT_OPTS=-XX:-UseContainerSupport
JARS=$(find $B/jars -name '*.jar' | paste -sd:)
start master $B/spark/bin/spark-class org.apache.spark.deploy.master.Master --host $A --port 7077 --webui-port 8080
for n in 1 2; do
    SPARK_WORKER_CORES=1 SPARK_WORKER_MEMORY=1g SPARK_WORKER_DIR=$B/work$n start worker$n \
        $B/spark/bin/spark-class org.apache.spark.deploy.worker.Worker --host $A --webui-port 808$n spark://$A:7077
done
until_so sh -c "curl -sf http://$A:8080/json/ | tr -d ' ' | grep -q '\"aliveworkers\":2'"
MUSTER_DATABASE=$B/database.json $B/spark/bin/spark-submit --master spark://$A:7077 \
    --driver-memory 512m --executor-memory 512m \
    --conf "spark.driver.extraClassPath=$JARS" --conf "spark.executor.extraClassPath=$JARS" \
    --conf spark.hadoop.fs.s3a.endpoint=http://$A:7480 --conf spark.hadoop.fs.s3a.path.style.access=true \
    --conf spark.hadoop.fs.s3a.access.key=key --conf spark.hadoop.fs.s3a.secret.key=secret \
    --conf spark.hadoop.fs.s3a.connection.ssl.enabled=false \
    "$PARTS/word_count.py" --input 's3a://words/texts/*' >$B/log/job.out 2>&1 ||
    { tail -50 $B/log/job.out >&2; exit 1; }
mariadb --no-defaults --socket=$B/run/mysqld.sock --batch --skip-column-names \
    --execute 'select value from test.data order by created desc limit 1'
