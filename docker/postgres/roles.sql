-- Run once, by the image's entry point, when the data directory is empty: a role and its databases for Temporal, and a
-- role and its database for the checkout. Neither can see the other's.
\set ON_ERROR_STOP on
\getenv temporal_password TEMPORAL_DB_PASSWORD
\getenv orders_password ORDERS_DB_PASSWORD

CREATE ROLE temporal LOGIN PASSWORD :'temporal_password';
CREATE DATABASE temporal OWNER temporal;
CREATE DATABASE temporal_visibility OWNER temporal;
REVOKE CONNECT ON DATABASE temporal, temporal_visibility FROM PUBLIC;

CREATE ROLE checkout LOGIN PASSWORD :'orders_password';
CREATE DATABASE checkout OWNER checkout;
REVOKE CONNECT ON DATABASE checkout FROM PUBLIC;
