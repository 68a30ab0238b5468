//! Measurements from Rust. `coterie-benches SCENARIO JSON` prints JSON; see ../README.md.

mod crowd;
mod frames;
mod gateway;
mod hex;
mod options;
mod ours;
mod samples;

use anyhow::{Context, Result, bail};
use options::Options;
use samples::Samples;
use serde_json::Value;

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let scenario = arguments.next().context("a scenario: ours, bare, gateway or crowd")?;
    match scenario.as_str() {
        "ours" => measure(ours::group, &arguments.next().context("what to do, as JSON")?),
        "bare" => measure(frames::bare, &arguments.next().context("what to do, as JSON")?),
        "gateway" => answer(gateway::answer),
        "crowd" => answer(crowd::answer),
        _ => bail!("no scenario {scenario}"),
    }
}

fn measure(scenario: fn(Options, &mut Samples) -> Result<()>, json: &str) -> Result<()> {
    let options = Options::new(&serde_json::from_str(json)?);
    scenario(options.warm_up(), &mut Samples::default())?;
    let mut samples = Samples::default();
    scenario(options, &mut samples)?;
    println!("{}", samples.into_json());
    Ok(())
}

fn answer(how: fn(&Value) -> Result<Value>) -> Result<()> {
    println!("{}", how(&serde_json::from_reader(std::io::stdin())?)?);
    Ok(())
}
