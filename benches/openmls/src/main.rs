//! openmls as it comes. `coterie-benches-openmls openmls JSON` prints JSON; see ../README.md.

mod crowd;
#[path = "../../rust/src/hex.rs"]
mod hex;
#[path = "../../rust/src/options.rs"]
mod options;
#[path = "../../rust/src/samples.rs"]
mod samples;
mod stock;

use anyhow::{Context, Result};
use options::Options;
use samples::Samples;

fn main() -> Result<()> {
    let json = std::env::args().nth(2).context("what to do, as JSON")?;
    let options = Options::new(&serde_json::from_str(&json)?);
    stock::group(options.warm_up(), &mut Samples::default())?;
    let mut samples = Samples::default();
    stock::group(options, &mut samples)?;
    println!("{}", samples.into_json());
    Ok(())
}
