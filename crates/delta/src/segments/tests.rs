mod model;
mod plain;
mod threads;
