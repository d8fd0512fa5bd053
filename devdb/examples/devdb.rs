//! Starts a development server, prints who may connect where, and keeps it until Enter or Ctrl-C.

use watertight_devdb::{DevDb, Error};

#[tokio::main]
async fn main() -> Result<(), Error> {
    let server = DevDb::from_env_or_start().await?;
    let database = server.database().await?;
    println!("admin   {}", database.admin_url());
    println!("owner   {}", database.owner_url());
    println!("app     {}", database.app_url());
    println!("system  {}", database.system_url());
    let mut line = String::new();
    std::io::stdin()
        .read_line(&mut line)
        .map_err(|source| Error::Io {
            doing: "wait for Enter",
            source,
        })?;
    Ok(())
}
