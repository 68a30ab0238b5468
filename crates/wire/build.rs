//! Makes the Protobuf and FlatBuffers codecs from their schemas, without a compiler from outside.

use std::error::Error;
use std::path::{Path, PathBuf};

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=schemas");
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    prost_build::Config::new().compile_fds(protox::compile(["stack.proto"], ["schemas"])?)?;
    flat_buffers(Path::new("schemas/stack.fbs"), &out.join("stack_generated.rs"))
}

/// One schema makes one file. With several, planus numbers its declarations in the order in which they are given, so
/// that a listed folder would build differently from machine to machine.
fn flat_buffers(schema: &Path, generated: &Path) -> Result<(), Box<dyn Error>> {
    let declarations = planus_translation::translate_files(&[schema]).ok_or("the schema was refused")?;
    std::fs::write(generated, planus_codegen::generate_rust(&declarations, false)?)?;
    Ok(())
}
