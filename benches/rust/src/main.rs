//! Measurements from Rust. `coterie-benches SCENARIO JSON` prints JSON; see ../README.md.

mod crowd;
mod gateway;
mod options;
mod ours;
mod samples;
mod stock;

use anyhow::{Context, Result, bail};
use options::Options;
use samples::Samples;
use serde_json::Value;

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let scenario = arguments.next().context("a scenario: ours, openmls, gateway or crowd")?;
    let run = match scenario.as_str() {
        "ours" => ours::group,
        "openmls" => stock::group,
        "gateway" | "crowd" => {
            let request: Value = serde_json::from_reader(std::io::stdin())?;
            let answer = if scenario == "crowd" { crowd::answer } else { gateway::answer };
            println!("{}", answer(&request)?);
            return Ok(());
        }
        _ => bail!("no scenario {scenario}"),
    };
    let json: Value = serde_json::from_str(&arguments.next().context("what to do, as JSON")?)?;
    let options = Options::new(&json);
    run(options.warm_up(), &mut Samples::default())?;
    let mut samples = Samples::default();
    run(options, &mut samples)?;
    println!("{}", samples.into_json());
    Ok(())
}
