#!/bin/sh
# Makes the certificates of the tests anew: two authorities, a server called `localhost`, a user called `certified`. They are for tests alone and
# guard nothing. They are kept, and last for 100 years, so that the tests need no program that makes them (this one: OpenSSL 3).
set -eu
cd "$(dirname "$0")"
key() { openssl ecparam -name prime256v1 -genkey -noout | openssl pkcs8 -topk8 -nocrypt -out "$1.key"; }
for name in ca other-ca; do
    key $name
    openssl req -x509 -new -key $name.key -days 36500 -subj "/CN=order tests, $name" -out $name.pem \
        -addext 'basicConstraints=critical,CA:TRUE' -addext 'keyUsage=critical,keyCertSign'
done
signed() {
    key "$1"
    openssl req -new -key "$1.key" -subj "/CN=$2" -addext 'basicConstraints=critical,CA:FALSE' -addext "$3" |
        openssl x509 -req -CA ca.pem -CAkey ca.key -days 36500 -copy_extensions copyall -out "$1.pem"
}
signed server localhost 'subjectAltName=DNS:localhost'
signed client certified 'extendedKeyUsage=clientAuth'
# Nothing else is to be signed.
rm -f ca.key other-ca.key ca.srl
