from spindle.app.report.again import command as command
from spindle.app.report.witness import Witness as Witness
from spindle.app.report.writing import beside as beside
from spindle.app.report.writing import of_eval as of_eval
from spindle.app.report.writing import of_run as of_run

__all__: list[str]
