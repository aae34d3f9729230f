#!/bin/sh
# Makes the namespace unless it is there, and ends when the server serves it. TEMPORAL_ADDRESS, NAMESPACE and RETENTION
# come from the environment. `checkout migrate` registers the search attributes.
set -eu

is_served() {
    # Another call than "describe": this one goes through the cache that every worker's call goes through.
    temporal operator search-attribute list --namespace "$NAMESPACE" >/dev/null 2>&1
}

temporal operator cluster health
is_served || temporal operator namespace describe --namespace "$NAMESPACE" >/dev/null 2>&1 ||
    temporal operator namespace create --namespace "$NAMESPACE" --retention "$RETENTION"

# A new namespace is served once the server has read its list of them again, within ten seconds or so.
for _ in $(seq 60); do
    if is_served; then
        echo "the namespace $NAMESPACE is served"
        exit 0
    fi
    sleep 1
done
echo "the namespace $NAMESPACE is still not served" >&2
exit 1
