//! Machines by hand: `cargo run -p muster-controller --example hosts -- up 2`.
//!
//! ```text
//! hosts [--state DIR] [--cache DIR] [--base BASE] COMMAND
//!   up N [CORES [MEM_MIB]]     make machines h0 … and stay until Ctrl-C or end of input
//!   list
//!   exec NAME -- ARGV…         with the package cache running meanwhile
//!   restart NAME | stop NAME | start NAME | destroy NAME
//!   revive                     start what shall run and does not
//!   serve                      run the package cache and supervise until end of input
//!   down                       remove everything
//! ```
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program for a terminal")]

use std::error::Error;
use std::io::{Read, Write};
use std::time::Instant;

use muster_charms::Base;
use muster_controller::substrate::{HostSpec, Settings, Substrate};

fn main() -> Result<(), Box<dyn Error>> {
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    let mut settings = Settings::default();
    let mut base = None;
    let mut args: Vec<String> = std::env::args().skip(1).collect();
    while args.len() > 1 && args.first().is_some_and(|arg| arg.starts_with("--")) {
        let value = args.remove(1);
        match args.remove(0).as_str() {
            "--state" => settings.state_root = value.into(),
            "--cache" => settings.cache_root = value.into(),
            "--base" => base = Some(value),
            other => return Err(format!("there is no flag `{other}`").into()),
        }
    }
    let substrate = Substrate::open(settings)?;
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    let began = Instant::now();
    match words.as_slice() {
        ["up", rest @ ..] => up(&substrate, base.as_deref(), rest)?,
        ["list"] => {
            for host in substrate.list()? {
                println!("{} {} {:?} {:?}", host.name, host.address, host.state, host.limits);
            }
        }
        ["exec", name, "--", argv @ ..] => {
            substrate.ensure_network()?;
            let output = substrate.exec(name, argv)?;
            std::io::stdout().write_all(&output.stdout)?;
            std::io::stderr().write_all(&output.stderr)?;
            println!("status {}", output.status);
        }
        ["restart", name] => println!("{:?}", substrate.restart(name)?),
        ["start", name] => println!("{:?}", substrate.start(name)?),
        ["stop", name] => substrate.stop(name)?,
        ["destroy", name] => substrate.destroy(name)?,
        ["revive"] => {
            for (name, result) in substrate.revive()? {
                println!("{name}: {result:?}");
            }
        }
        ["serve"] => {
            substrate.ensure_network()?;
            stay()?;
        }
        ["down"] => substrate.kill_all()?,
        _ => return Err("say what: up N, list, exec, restart, start, stop, destroy, down".into()),
    }
    eprintln!("{:.2} s", began.elapsed().as_secs_f64());
    Ok(())
}

fn up(substrate: &Substrate, base: Option<&str>, args: &[&str]) -> Result<(), Box<dyn Error>> {
    let number = |at: usize| args.get(at).map(|text| text.parse::<u64>()).transpose();
    let count = number(0)?.unwrap_or(1);
    let (cores, mem_mib) = (number(1)?.map(u32::try_from).transpose()?, number(2)?);
    let base = base.map(str::parse::<Base>).transpose()?;
    let root = substrate.ensure_root(base.as_ref(), &mut |progress| eprintln!("{progress}"))?;
    eprintln!("root {}", root.display());
    let began = Instant::now();
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..count)
            .map(|number| {
                let base = base.clone();
                scope.spawn(move || {
                    let name = format!("h{number}");
                    let spec = HostSpec { name, base, cores, mem_mib, ..HostSpec::default() };
                    substrate.create(&spec)
                })
            })
            .collect();
        for thread in threads {
            match thread.join() {
                Ok(Ok(host)) => println!("{} {} {:?}", host.name, host.address, host.limits),
                Ok(Err(error)) => eprintln!("{error}: {:?}", error.source()),
                Err(_) => eprintln!("a thread panicked"),
            }
        }
    });
    eprintln!(
        "{count} up in {:.2} s; end of input leaves them running",
        began.elapsed().as_secs_f64()
    );
    stay()
}

fn stay() -> Result<(), Box<dyn Error>> {
    let mut nothing = Vec::new();
    std::io::stdin().read_to_end(&mut nothing)?;
    Ok(())
}
