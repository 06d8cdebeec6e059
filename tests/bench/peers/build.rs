//! The gRPC service of [`systems::grpc`], described here so that nobody needs `protoc`.

fn main() {
    let message = |name: &str| format!("crate::systems::grpc::{name}");
    let sync = tonic_build::manual::Method::builder()
        .name("sync")
        .route_name("Sync")
        .input_type(message("SyncRequest"))
        .output_type(message("SyncReply"))
        .codec_path("tonic_prost::ProstCodec")
        .build();
    let service = tonic_build::manual::Service::builder().name("Shares").package("bench").method(sync).build();
    tonic_build::manual::Builder::new().compile(&[service]);
    println!("cargo:rerun-if-changed=build.rs");
}
