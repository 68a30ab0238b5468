//! Tells the linker how a Node-API addon is linked on each platform.

fn main() {
    napi_build::setup();
}
